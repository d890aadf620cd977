"""What pages share: filters, badges, dates, forms, pagination and navigation."""
