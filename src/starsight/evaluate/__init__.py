"""How far off the predicted stars are, how sure that is, and whether simpler methods do as well."""
