"""The face in a browser: the page, the JavaScript client that it uses, and what hands them out."""
