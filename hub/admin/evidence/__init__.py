"""Pages of the evidence of a request, and the public page that verifies a file."""
