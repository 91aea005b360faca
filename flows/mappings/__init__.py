"""How the columns of the sources become those of the common schemas, by source."""
