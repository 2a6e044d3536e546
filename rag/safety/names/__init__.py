"""Names of people, places and organisations: the shipped tagger, or any model by its name."""
