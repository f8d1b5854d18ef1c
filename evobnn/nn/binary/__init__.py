"""Binary layers: the sign and its surrogates (`signs`), latent weights and scales (`weights`, `latent`), what stands
before the sign (`forms`), and the layers made of these (`layers`, `pixels`).
"""
