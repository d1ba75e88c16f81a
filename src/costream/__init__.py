"""CoStream: streaming video analytics with vision-language models, guided by the video codec."""

__version__ = "0.1.0"
