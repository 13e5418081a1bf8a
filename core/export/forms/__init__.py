"""The types of PEFT's adapters, one a file; the order is that in which they are tried: the most particular first."""

from core.export.forms.adalora import AdaloraForm
from core.export.forms.form import Form
from core.export.forms.lora import LoraForm
from core.export.forms.lycoris import LohaForm, LokrForm
from core.export.forms.vera import VeraForm

FORMS: tuple[Form, ...] = (VeraForm(), AdaloraForm(), LohaForm(), LokrForm(), LoraForm())
