"""Stand-ins for signing apps: PactSafe and Documenso.

documents   the documents, their signers and the webhooks that were posted
pactsafe    the webhooks and the API of PactSafe
documenso   the webhooks and the server of Documenso
actions     acts on documents, and their webhooks
view        the pages, and the same data as JSON
"""
