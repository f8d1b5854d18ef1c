"""Small maps on CPUs with the images innermost: an array (C, H, W, N) float32, whose vectors run over images.

A brief training has maps of a few pixels and a dozen channels, but dozens of images. With the images innermost every
loop, whatever it does, is over long lines: moments and scales are those of whole lines, neighbours are lines further
on, and what a cell puts side by side lies side by side. Layers and pools are compiled by Numba and cached on disk, in
`layer`, `convolution` and `pools`; `steps` calls them for modules, and `body` joins the cells of a network to one
function, forward and backward, between the stem and the head.
"""
