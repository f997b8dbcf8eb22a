"""The model: its shape, the network, and the formats in which others read it. One import, one file: nothing is here."""
