"""Networks trained further for what their files will be: int8 numbers.

`graph` reads an exported file, `operators` computes what its operators stand for, `simulation` is
the file as a network that can be trained, `writing` puts what was learnt back into the file.
"""
