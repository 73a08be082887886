"""Content blocks -> pieces of a chat message. A piece is a text or one `image_url` part.

How texts are joined decides whether the prompt stays the same from turn to turn, so there is one rule for all
of them, system prompt included: a newline at a seam that has none. Anthropic's API puts nothing between
blocks, and Claude Code writes its texts for that (a block ends, or the next one begins, with a newline) but
not everywhere: the system prompt of its web search glues two sentences. With this rule `["X", "Y"]`,
`["X\\n", "Y"]` and `"X\\nY"` are the same prompt, which is how Claude Code rewrites a message when it adds to
it.

Whatever is no text and no usable image becomes a line of text that says what stood there.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from anyclaude.convert.profile import Profile

NO_CONTENT = "(no content)"
"""What Claude Code itself writes for an empty message. Servers and templates differ on empty strings."""

_ATTRIBUTION = "x-anthropic-billing-header:"
_TEXT_ONLY = Profile(images=False)
_VISIBLE_ERROR = 200  # characters of a result in which the word "error" counts as seen

Part = dict[str, Any]
Piece = str | Part
Content = str | Iterable[Mapping[str, Any]] | None


def join_texts(texts: Iterable[str]) -> str:
    """Join texts with a newline at every seam that has none. Empty texts leave no trace."""
    joined: list[str] = []
    for text in texts:
        if not text:
            continue
        if joined and joined[-1][-1] != "\n" and text[0] != "\n":
            joined.append("\n")
        joined.append(text)
    return "".join(joined)


def chat_content(pieces: list[Piece]) -> str | list[Part]:
    """One plain string where it can be one, else parts. The texts between two images are one part."""
    if all(isinstance(piece, str) for piece in pieces):
        return join_texts(piece for piece in pieces if isinstance(piece, str)) or NO_CONTENT
    parts: list[Part] = []
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
        else:
            parts += _text_part(texts)
            texts = []
            parts.append(piece)
    return parts + _text_part(texts)


def _text_part(texts: list[str]) -> list[Part]:
    text = join_texts(texts)
    return [{"type": "text", "text": text}] if text else []


def pieces_of(content: Content, profile: Profile) -> list[Piece]:
    """The pieces of a message's or a tool result's `content`: a string, a list of blocks, or nothing."""
    if isinstance(content, str):
        return [content]
    return [piece_of(block, profile) for block in content or ()]


def piece_of(block: Mapping[str, Any], profile: Profile) -> Piece:
    kind = block["type"]
    if kind == "text":
        return str(block["text"])
    if kind == "image":
        return _image(block, profile)
    if kind == "document":
        return _file(block) if profile.documents and _is_pdf(block) else _document(block)
    if kind == "tool_reference":
        return f"[tool {block.get('tool_name')} is loaded]"
    return _unknown(block)


def text_of(content: Content) -> str:
    """All of `content` as text, for places that hold nothing else."""
    return join_texts(str(piece) for piece in pieces_of(content, _TEXT_ONLY))


def system_text(system: Content) -> str:
    """The system prompt as one text, without the attribution line that differs between sessions and
    subagents.

    Claude Code puts `x-anthropic-billing-header: ...` first (observed with 2.1.197); left there, no two
    sessions would share a prompt prefix.
    """
    texts = [system] if isinstance(system, str) else [text_of([block]) for block in system or ()]
    if texts and texts[0].startswith(_ATTRIBUTION):
        texts[0] = texts[0].partition("\n")[2]
    return join_texts(texts)


def reminder(text: str) -> str:
    """A system text that stands among the messages, as Claude Code renders it for models that take none
    there."""
    return f"<system-reminder>\n{text}\n</system-reminder>"


def result_pieces(block: Mapping[str, Any], profile: Profile) -> list[Piece]:
    """The pieces of a tool result. An error is marked where its first words do not say so themselves."""
    pieces = pieces_of(block.get("content"), profile)
    if block.get("is_error") is not True:
        return pieces
    first = pieces[0] if pieces and isinstance(pieces[0], str) else ""
    if "error" in first[:_VISIBLE_ERROR].lower():
        return pieces
    return [f"Error: {first}", *pieces[1 if first else 0 :]]


def without_images(pieces: list[Piece], origin: str) -> tuple[str, list[Piece]]:
    """The text of a tool message, and the images that have to follow in a user message.

    OpenAI-compatible servers take no images and no files in tool messages, so a marker stands where each one was.
    """
    texts: list[str] = []
    images: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
        else:
            kind = "image" if piece["type"] == "image_url" else "document"
            texts.append(f"[{kind}: it follows in the user message]")
            images += [f"[{kind} from the result of {origin}]", piece]
    return join_texts(texts) or NO_CONTENT, images


def _image(block: Mapping[str, Any], profile: Profile) -> Piece:
    if not profile.images:
        return "[image left out: this model takes no images]"
    url = _image_url(block.get("source"))
    if url is None:
        return "[image left out: its source cannot be used here]"
    return {"type": "image_url", "image_url": {"url": url}}


def _image_url(source: object) -> str | None:
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(content)}:
            return f"data:{media_type};base64,{content}"
        case {"type": "url", "url": str(url)}:
            return url
    return None


def _is_pdf(block: Mapping[str, Any]) -> bool:
    match block.get("source"):
        case {"type": "base64", "media_type": "application/pdf", "data": str()}:
            return True
    return False


def _file(block: Mapping[str, Any]) -> Part:
    """A PDF for servers that read it themselves."""
    title = block.get("title")
    name = title if isinstance(title, str) and title else "document.pdf"
    address = f"data:application/pdf;base64,{block['source']['data']}"
    return {"type": "file", "file": {"filename": name, "file_data": address}}


def _document(block: Mapping[str, Any]) -> str:
    title = block.get("title")
    name = f'document "{title}"' if isinstance(title, str) and title else "document"
    match block.get("source"):
        case {"type": "text", "data": str(text)} | {"type": "content", "content": str(text)}:
            return join_texts([f"[{name}]", text])
        case {"type": "content", "content": list(blocks)}:
            return join_texts([f"[{name}]", *map(_label, blocks)])
        case {"type": "url", "url": str(url)}:
            return f"[{name}: {url}]"
        case {"media_type": str(media_type)}:
            return f"[{name} left out: {media_type} cannot be read here]"
    return f"[{name} left out: its source cannot be used here]"


def _unknown(block: Mapping[str, Any]) -> str:
    """A block that has no counterpart: its text, else its type and what is readable of its content."""
    content = block.get("content")
    if isinstance(content, list):
        return join_texts([_label(block), *map(_label, content)])
    return _label(block)


def _label(block: object) -> str:
    if not isinstance(block, dict):
        return block if isinstance(block, str) else ""
    if isinstance(text := block.get("text"), str):
        return text
    words = [block.get(key) for key in ("name", "title", "url", "error_code", "source", "content")]
    known = ", ".join(word for word in words if isinstance(word, str) and word)
    kind = block.get("type")
    return f"[{kind}: {known}]" if known else f"[{kind}]"
