"""The pages of the site that are made from the code; `stage_docs.py` puts them beside those of docs/."""
