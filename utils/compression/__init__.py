"""Networks trained further for being smaller: fewer channels, zeros, int8 numbers.

`channels` follows the channels of a network and `narrowing` takes some away; `zeros` lets weights
become zero while a network is trained. Of int8, `graph` reads an exported file, `operators`
computes what its operators stand for, `simulation` is the file as a network that can be trained,
`writing` puts what was learnt back into the file.
"""
