"""Interactive HTML page of one or several studies."""
