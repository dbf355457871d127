"""The ablation-study platform: one YAML study in, a defensible conclusion out."""

__version__ = "0.1.0"
