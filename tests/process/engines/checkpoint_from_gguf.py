"""Runs in an environment that has torch, transformers and gguf: turns a GGUF file into a checkpoint in bfloat16.

    python checkpoint_from_gguf.py MODEL.gguf DIRECTORY

The weights are those of the file with its quantization undone, so the model is as real as the file is.
"""

import sys
from importlib import import_module
from pathlib import Path


def main(gguf: Path, directory: str) -> None:
    torch, transformers = import_module("torch"), import_module("transformers")
    files = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(**files, dtype=torch.bfloat16)
    # Transformers refuses to save what it believes to be quantized still.
    del model.config.quantization_config
    model.hf_quantizer, model.is_quantized = None, False
    model.to(torch.bfloat16).save_pretrained(directory)
    transformers.AutoTokenizer.from_pretrained(**files).save_pretrained(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
