"""The shapes that data comes in. One member a file; where two shapes fit equally well, the first one is guessed."""

from core.component import Axis
from core.data.formats.classification import Classification
from core.data.formats.conversations import Conversations
from core.data.formats.format import Format
from core.data.formats.instruction import Instruction
from core.data.formats.messages import Messages
from core.data.formats.paragraphs import Paragraphs
from core.data.formats.preference import Preference
from core.data.formats.pretokenised import Pretokenised
from core.data.formats.prompt_completion import PromptCompletion
from core.data.formats.text import Text

FORMATS: Axis[Format] = Axis(
    "format",
    "Shape",
    Messages,
    Conversations,
    PromptCompletion,
    Instruction,
    Text,
    Paragraphs,
    Pretokenised,
    Classification,
    Preference,
)

__all__ = ["FORMATS", "Format"]
