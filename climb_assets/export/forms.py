"""The forms that a data set is exported in.

What belongs here: their names alone, so that the command line can offer them without loading what writes them. How each
is written is `export`.
"""

from typing import Literal, get_args

Form = Literal["huggingface", "nanochat", "megatron", "interleave", "webdataset", "text"]
FORMS: tuple[Form, ...] = get_args(Form)
