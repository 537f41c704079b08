"""Vectors in forms: as text, since an array has no truth value and Django's own fields ask for one."""

from __future__ import annotations

from typing import Any

from django import forms

__all__ = ["EmbeddingFormField"]


class EmbeddingFormField(forms.CharField):
    """Shows and reads a vector in pgvector's text form.

    Args:
        model_field: The field of the model, which checks the vector.
        options: Options of ``CharField``.
    """

    widget = forms.Textarea

    def __init__(self, *, model_field: Any, **options: Any) -> None:
        self.model_field = model_field
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        """Write a vector as text for the widget."""
        return value if value is None or isinstance(value, str) else self.model_field.to_text(value)

    def to_python(self, value: Any) -> Any:
        """Read the text, or let a vector pass."""
        return None if isinstance(value, str) and not value.strip() else self.model_field.to_python(value)

    def validate(self, value: Any) -> None:
        """Ask for a vector where one is required."""
        if value is None and self.required:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """Do nothing: the validators of texts are not for vectors, and ``to_python`` has checked this one."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether the text leads to another vector."""
        if self.disabled:
            return False
        try:
            before, after = (self.prepare_value(self.to_python(value)) for value in (initial, data))
        except forms.ValidationError:
            return True
        return bool(before != after)
