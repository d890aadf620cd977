// Tells the server the reader's time zone, so that pages show their times. Without it they are shown in UTC.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
const told = document.cookie.split("; ").includes(`tz=${zone}`);

if (/^[A-Za-z0-9_+\-/]+$/.test(zone) && !told) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `tz=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}
