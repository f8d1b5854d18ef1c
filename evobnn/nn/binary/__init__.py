"""Binary layers: the sign and its surrogates (`signs`), latent weights and scales (`weights`, `latent`), what stands
before the sign (`forms`), the sites made of these (`site`), and the layers (`layers`, `bfloat16`, `pixels`).
"""
