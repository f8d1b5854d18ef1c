"""How a binary network is computed: signs, layers, activations, operations, cells, whole networks, and their cost.

Nothing in here has heard of a genome: modules are built from plain strings, numbers and nested tuples.
"""

from evobnn.nn.activations import FORMS, Form, TreeActivation, behaviour, constant_sign, expression_parameters, sampled
from evobnn.nn.binarize import SURROGATES, binary_weight, sign
from evobnn.nn.blocks import SKIPS, CellBlock
from evobnn.nn.cost import LayerCost, NetworkCost, profile
from evobnn.nn.grouped import largest_divisor
from evobnn.nn.layers import (
    PRECISIONS,
    BinaryConv2d,
    ConvStyle,
    RealConv2d,
    Site,
    all_finite,
    clip_latent_,
    latent_weights,
    watch,
)
from evobnn.nn.macros import MACROS, Macro
from evobnn.nn.network import Head, Network, stem
from evobnn.nn.ops import OPS, OpBuilder, preprocess
from evobnn.nn.resnet import ResNet, resnet

__all__ = [
    "FORMS",
    "MACROS",
    "OPS",
    "PRECISIONS",
    "SKIPS",
    "SURROGATES",
    "BinaryConv2d",
    "CellBlock",
    "ConvStyle",
    "Form",
    "Head",
    "LayerCost",
    "Macro",
    "Network",
    "NetworkCost",
    "OpBuilder",
    "RealConv2d",
    "ResNet",
    "Site",
    "TreeActivation",
    "all_finite",
    "behaviour",
    "binary_weight",
    "clip_latent_",
    "constant_sign",
    "expression_parameters",
    "largest_divisor",
    "latent_weights",
    "preprocess",
    "profile",
    "resnet",
    "sampled",
    "sign",
    "stem",
    "watch",
]
