// Read emails as JSON ([base64, …]) from standard input, and write what two parsers find in them.
import PostalMime from 'postal-mime';
import { simpleParser } from 'mailparser';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const found = [];
for (const raw of JSON.parse(Buffer.concat(chunks).toString())) {
  const content = Buffer.from(raw, 'base64');
  const one = await new PostalMime().parse(content);
  const header = (key) => one.headers.find((each) => each.key === key)?.value;
  const other = await simpleParser(content, { skipImageLinks: true });
  found.push({
    'postal-mime': {
      subject: one.subject, name: one.from.name, text: one.text, html: one.html,
      unsubscribe: header('list-unsubscribe'), post: header('list-unsubscribe-post'),
      files: one.attachments.map((file) => file.filename ?? file.contentId),
    },
    mailparser: {
      subject: other.subject, name: other.from.value[0].name, text: other.text, html: other.html,
      unsubscribe: `<${other.headers.get('list')?.unsubscribe?.url}>`,
      post: other.headers.get('list-unsubscribe-post') ?? header('list-unsubscribe-post'),
      files: other.attachments.map((file) => file.filename ?? file.contentId),
    },
  });
}
console.log(JSON.stringify(found));
