# Made from spec/client.yaml by openapi-python-client 0.29.1. Do not edit: change the spec or the
# overlay and run scripts/regenerate.

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.session_timeout import SessionTimeout


T = TypeVar("T", bound="SessionSettings")


@_attrs_define
class SessionSettings:
    """Start page, time limits, proxy, recording and live view of the session.

    Attributes:
        initial_url (str | Unset): Page to open first
        timeout (SessionTimeout | Unset): When the session ends by itself
    """

    initial_url: str | Unset = UNSET
    timeout: SessionTimeout | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        initial_url = self.initial_url

        timeout: dict[str, Any] | Unset = UNSET
        if not isinstance(self.timeout, Unset):
            timeout = self.timeout.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if initial_url is not UNSET:
            field_dict["initial_url"] = initial_url
        if timeout is not UNSET:
            field_dict["timeout"] = timeout

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.session_timeout import SessionTimeout  # noqa: PLC0415

        d = dict(src_dict)
        initial_url = d.pop("initial_url", UNSET)

        _timeout = d.pop("timeout", UNSET)
        timeout: SessionTimeout | Unset
        if isinstance(_timeout, Unset):
            timeout = UNSET
        else:
            timeout = SessionTimeout.from_dict(_timeout)

        session_settings = cls(
            initial_url=initial_url,
            timeout=timeout,
        )

        session_settings.additional_properties = d
        return session_settings

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
