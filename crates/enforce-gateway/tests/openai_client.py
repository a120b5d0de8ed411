"""What OpenAI's client library makes of the gateway at sys.argv[1]; prints it as JSON."""

import json
import sys

import openai


def client(tenant, max_retries=0):
    return openai.OpenAI(base_url=sys.argv[1], api_key=f"key-{tenant}", max_retries=max_retries)


def ask(client, tokens, **others):
    messages = [{"role": "user", "content": "three short words"}]
    return client.chat.completions.create(**{"model": "quill", "messages": messages, "max_tokens": tokens, **others})


def raised(call):
    try:
        call()
    except openai.APIStatusError as error:
        return error
    raise SystemExit("nothing was raised")


told = {}
plain = ask(client("a"), 7)
told["plain"] = {"text": plain.choices[0].message.content, "total_tokens": plain.usage.total_tokens}
told["stream"] = "".join(chunk.choices[0].delta.content or "" for chunk in ask(client("b"), 9, stream=True))

# Two requests of a tenant that has one a second: the client is refused, waits as long as it is told, and comes through.
ask(client("c"), 1)
error = raised(lambda: ask(client("c"), 1))
told["refused"] = {
    "type": type(error).__name__,
    "code": error.code,
    "retry_after": error.response.headers["retry-after"],
}
told["tried_again"] = ask(client("c", max_retries=2), 2).choices[0].message.content

told["unknown_key"] = type(raised(lambda: ask(client("x"), 1))).__name__
told["unknown_model"] = type(raised(lambda: ask(client("d"), 1, model="quil"))).__name__
print(json.dumps(told))
