"""Everything that reads what strangers send, fed with damaged versions of good input: only documented exceptions may come out."""
