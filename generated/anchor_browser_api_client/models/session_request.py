# Made from spec/client.yaml by openapi-python-client 0.29.1. Do not edit: change the spec or the
# overlay and run scripts/regenerate.

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.browser_settings import BrowserSettings
    from ..models.session_settings import SessionSettings


T = TypeVar("T", bound="SessionRequest")


@_attrs_define
class SessionRequest:
    """What the new session's browser should be like. Every part is optional.

    Attributes:
        session (SessionSettings | Unset): Start page, time limits, proxy, recording and live view of the session.
        browser (BrowserSettings | Unset): Profile, viewport and features of the browser.
    """

    session: SessionSettings | Unset = UNSET
    browser: BrowserSettings | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        session: dict[str, Any] | Unset = UNSET
        if not isinstance(self.session, Unset):
            session = self.session.to_dict()

        browser: dict[str, Any] | Unset = UNSET
        if not isinstance(self.browser, Unset):
            browser = self.browser.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if session is not UNSET:
            field_dict["session"] = session
        if browser is not UNSET:
            field_dict["browser"] = browser

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.browser_settings import BrowserSettings  # noqa: PLC0415
        from ..models.session_settings import SessionSettings  # noqa: PLC0415

        d = dict(src_dict)
        _session = d.pop("session", UNSET)
        session: SessionSettings | Unset
        if isinstance(_session, Unset):
            session = UNSET
        else:
            session = SessionSettings.from_dict(_session)

        _browser = d.pop("browser", UNSET)
        browser: BrowserSettings | Unset
        if isinstance(_browser, Unset):
            browser = UNSET
        else:
            browser = BrowserSettings.from_dict(_browser)

        session_request = cls(
            session=session,
            browser=browser,
        )

        session_request.additional_properties = d
        return session_request

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
