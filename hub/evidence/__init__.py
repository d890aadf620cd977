"""Evidence of requests: what was recorded about their messages, and by whom.

- `facts`, `request_facts`, `message_facts`, `contact_facts`: what is evidence, from the tables
- `recording`: store facts so that they outlive the rows they come from
- `corrections`: record titles and people when an event corrects them
- `export`: chain and sign the entries of a request
- `hash_chain`, `signed_notes`, `signing_keys`: the parts of a file's proof
- `verification`: find whether a file is intact
- `verdict_text`: the result of a verification, for people
- `retention`, `holds`: how long evidence is kept, and legal holds
- `erasure`: the erasure of a person
"""
