"""The page of a site: template, style and script."""
