"""General parts that know no model, database or queue: addresses, text, times, encryption, HTTP."""
