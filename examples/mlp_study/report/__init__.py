"""What a run of the study has found, as a page and a picture."""
