"""Twilio: SMS, WhatsApp and calls, which share accounts, errors and webhooks."""

from __future__ import annotations

from hub.integrations.twilio.sms import TwilioSms as TwilioSms
from hub.integrations.twilio.voice import TwilioVoice as TwilioVoice
from hub.integrations.twilio.whatsapp import WhatsApp as WhatsApp
