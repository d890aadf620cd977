"""Filters, badges, dates, forms, pagination and navigation that pages share."""
