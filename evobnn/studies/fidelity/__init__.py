"""Does brief training tell the truth: heritability, brief against long, real against binary weights."""
