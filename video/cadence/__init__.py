"""Files whose lower rates can be read alone: how they are planned, encoded and laid out."""
