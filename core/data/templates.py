"""Chat templates to choose instead of the model's own, by name.

They are jinja2, as model folders have them, and are rendered in its sandbox, as is whatever the user writes: a template
can read the conversation it is given and nothing else. Which special words a template writes is up to it; whether the
tokenizer has them as tokens is checked (`template-marks`).
"""

from __future__ import annotations

from collections.abc import Mapping

_PROMPT = "{% if add_generation_prompt %}"
_SYSTEM_FIRST = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content | trim + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
)
"""The system text goes in front of the first user's; for templates without a place for it."""

PLAIN = (
    "{% for message in messages %}"
    "{% if not loop.first %}{{ '\n\n' }}{% endif %}"
    "{{ '### ' + message['role'] | capitalize + ':\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\n\n### Assistant:\n' }}{% endif %}"
)
"""The template of a model that has none: a heading over each turn, and an end-of-text token behind each answer."""

TEMPLATES: Mapping[str, str] = {
    "chatml": (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        + _PROMPT + "{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "llama-3": (
        "{{ bos_token }}{% for m in messages %}"
        "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}"
        + _PROMPT + "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    ),
    "gemma": (
        "{{ bos_token }}" + _SYSTEM_FIRST + "{% for m in rest %}"
        "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
        "{{ (system if loop.first else '') + m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
        + _PROMPT + "{{ '<start_of_turn>model\n' }}{% endif %}"
    ),
    "mistral": (
        "{{ bos_token }}" + _SYSTEM_FIRST + "{% for m in rest %}{% if m.role == 'assistant' %}"
        "{{ ' ' + m.content | trim + eos_token }}{% else %}"
        "{{ '[INST] ' + (system if loop.first else '') + m.content | trim + ' [/INST]' }}{% endif %}{% endfor %}"
    ),
    "phi-3": (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
        + _PROMPT + "{{ '<|assistant|>\n' }}{% endif %}"
    ),
    "zephyr": (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}{% endfor %}"
        + _PROMPT + "{{ '<|assistant|>\n' }}{% endif %}"
    ),
    "vicuna": (
        "{% for m in messages %}{% if m.role == 'assistant' %}{{ 'ASSISTANT: ' + m.content | trim + eos_token }}"
        "{% elif m.role == 'user' %}{{ 'USER: ' + m.content | trim + ' ' }}{% else %}{{ m.content | trim + '\n\n' }}"
        "{% endif %}{% endfor %}" + _PROMPT + "{{ 'ASSISTANT:' }}{% endif %}"
    ),
    "plain": PLAIN,
}  # fmt: skip
"""Name to text."""


def text_of(template: str) -> str:
    """The text of a template by name, or the text itself; empty where none is given."""
    return TEMPLATES.get(template, template)
