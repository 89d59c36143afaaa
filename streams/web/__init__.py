"""What a worker serves over HTTP, for people: a page that shows its routes as they learn."""
