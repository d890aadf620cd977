<?php
// Receive webhooks from Signpost and verify them without a library.

const TOLERANCE = 300; // seconds between the clocks, and between signing and receiving

/** Return whether one of the secrets signed a webhook. */
function verify(string $body, array $headers, array $secrets): bool
{
    $id = $headers['webhook-id'] ?? '';
    $timestamp = $headers['webhook-timestamp'] ?? '';
    if ($id === '' || !preg_match('/^\d{1,12}$/D', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE) {
        return false;
    }
    foreach ($secrets as $secret) {
        $key = base64_decode(substr($secret, strlen('whsec_')), true);
        if ($key === false || $key === '') {
            continue;
        }
        $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
        foreach (explode(' ', $headers['webhook-signature'] ?? '') as $signature) {
            if (hash_equals($expected, $signature)) {
                return true;
            }
        }
    }
    return false;
}

http_response_code(500); // until the event is processed: PHP sends 200 after most errors
$headers = [
    'webhook-id' => $_SERVER['HTTP_WEBHOOK_ID'] ?? '',
    'webhook-timestamp' => $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '',
    'webhook-signature' => $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '',
];
$body = file_get_contents('php://input', false, null, 0, 256 * 1024);
$secrets = preg_split('/\s+/', trim(getenv('SIGNPOST_WEBHOOK_SECRETS') ?: ''), -1, PREG_SPLIT_NO_EMPTY);

if (!verify($body, $headers, $secrets)) {
    http_response_code(401);
    exit;
}
// a real app stores the ID in its database, and ignores an event that it has seen
$event = json_decode($body, true);
file_put_contents('php://stderr', "{$event['type']} {$event['id']} {$event['status']}\n");
http_response_code(204);
