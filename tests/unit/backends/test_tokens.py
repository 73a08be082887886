"""What of a request tokens are reckoned by."""

from typing import Any

from anyclaude.backends.tokens import asked_bytes, text_bytes
from anyclaude.wire.json import encode

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + "A" * 1_000_000}}
TEXT = {"type": "text", "text": "word " * 100}


def weight(*content: Any) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": one} for one in content]}
    return text_bytes(body, len(encode(body)))


def test_text_weighs_what_it_is() -> None:
    assert weight("word " * 100) == len(
        encode({"model": "m", "messages": [{"role": "user", "content": "word " * 100}]})
    )
    assert weight([TEXT]) - weight([]) == len(encode(TEXT))


def test_a_picture_weighs_the_same_whatever_its_size() -> None:
    small = {"type": "image_url", "image_url": {"url": "https://a.example/1.png"}}
    assert weight([TEXT, PICTURE]) == weight([TEXT, small])
    assert 2000 < weight([PICTURE, PICTURE]) - weight([PICTURE]) < 5000


def test_a_pdf_is_mostly_other_than_text() -> None:
    assert 50_000 < weight([FILE]) < 200_000


def test_what_has_another_shape_is_text() -> None:
    assert weight([{"type": "image_url", "image_url": 7}, "odd"], None) > 0


def test_the_data_of_images_is_no_part_of_what_is_asked() -> None:
    def size(length: int) -> int:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * length}}
        result = {"type": "tool_result", "tool_use_id": "1", "content": [image]}
        return asked_bytes(
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": [image, result]}]}
        )

    assert size(0) == size(1_000_000) > 100
