"""How a binary network is computed: signs, layers, activations, operations, cells, whole networks, and their cost.

Nothing in here has heard of a genome: modules are built from plain strings, numbers and nested tuples.
"""

from evobnn.nn.binary.bfloat16 import PRECISIONS
from evobnn.nn.binary.forms import FORMS, Form, TreeActivation, behaviour, constant_sign, expression_parameters, sampled
from evobnn.nn.binary.latent import binary_convolutions, kernel_pairs, settle_latent_, undecayed_parameters
from evobnn.nn.binary.layers import BinaryConv2d, ConvStyle, RealConv2d
from evobnn.nn.binary.signs import SURROGATES, sign
from evobnn.nn.binary.site import Site, all_finite, watch
from evobnn.nn.binary.weights import WEIGHTS_QUANTISERS, WeightQuantiser, binary_weight
from evobnn.nn.cells.blocks import SKIPS, CellBlock
from evobnn.nn.cells.grouped import largest_divisor
from evobnn.nn.cells.ops import OPS, OpBuilder, binary_layer, preprocess
from evobnn.nn.counting.cost import LayerCost, NetworkCost, profile
from evobnn.nn.counting.summary import Summary, summary
from evobnn.nn.fast.quickest import KERNELS, check_kernels, quickest
from evobnn.nn.fast.switch import fuse, rejoin
from evobnn.nn.networks.macros import MACROS, Macro
from evobnn.nn.networks.modes import MODES, anneal, set_drop_path, set_modes
from evobnn.nn.networks.network import Head, Network, features, stem
from evobnn.nn.networks.resnet import ResNet, resnet

__all__ = [
    "FORMS",
    "KERNELS",
    "MACROS",
    "MODES",
    "OPS",
    "PRECISIONS",
    "SKIPS",
    "SURROGATES",
    "WEIGHTS_QUANTISERS",
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
    "Summary",
    "TreeActivation",
    "WeightQuantiser",
    "all_finite",
    "anneal",
    "behaviour",
    "binary_convolutions",
    "binary_layer",
    "binary_weight",
    "check_kernels",
    "constant_sign",
    "expression_parameters",
    "features",
    "fuse",
    "kernel_pairs",
    "largest_divisor",
    "preprocess",
    "profile",
    "quickest",
    "rejoin",
    "resnet",
    "sampled",
    "set_drop_path",
    "set_modes",
    "settle_latent_",
    "sign",
    "stem",
    "summary",
    "undecayed_parameters",
    "watch",
]
