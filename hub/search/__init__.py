"""Find people and signing requests by name, title or part of an address.

Names and titles are encrypted, so the index holds keyed hashes of their words. It is written soon
after each change, by `hub cron`.

`index_key`  the key of the hashes        `unindexed`  mark what has changed
`documents`  read what is indexed         `entries`    write and delete index entries
`indexing`   index what has changed       `lookup`     find contacts and requests
"""
