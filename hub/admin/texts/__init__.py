"""Pages of message texts.

pages                the editor of a text, its versions, and texts in other languages
text_form            the form of a text, with a box for each plural form
text_list            every text by event, as the list shows it
text_files           export and import of texts as files for translators
text_comparison      the words that differ between two texts
email_preview        the HTML of an email text, in a frame
preview              a filled text, with its segments and prices
stand_ins            which text stands in for which: of another language, or that of SMS
sample_values        values of real requests for the preview
template_comparison  the approved template that replaces a text, and whether both say the same
"""
