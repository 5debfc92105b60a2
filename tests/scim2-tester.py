"""Makes a token for the first agency's directory, and runs scim2-tester's checks with it. See scim2-tester.sh."""

import json
import re
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server


def token(origin: str, accounts: str) -> str:
    """What an administrator does on the pages: signs in, and makes a token for the first agency."""
    with open(accounts) as file:
        administrator = next(one for one in json.load(file) if one["role"] == "administrator")
    cookie = ""
    with httpx2.Client(base_url=origin, headers={"origin": origin, "accept": "text/html"}) as browser:

        def ask(method: str, path: str, **more: object) -> httpx2.Response:
            nonlocal cookie
            answer = browser.request(method, path, headers={"cookie": cookie}, **more)
            # The cookie is for https alone, which a browser takes 127.0.0.1 for and httpx2 does not.
            for value in answer.headers.get_list("set-cookie"):
                cookie = value.split(";")[0]
            browser.cookies.clear()
            return answer

        def found(pattern: str, page: httpx2.Response) -> str:
            match = re.search(pattern, page.text)
            if match is None:
                sys.exit(f"{pattern} is not in the page {page.url}, which was {page.status_code}")
            return match[1]

        csrf = found(r'name="csrf" value="([^"]+)"', ask("GET", "/sign-in"))
        ask("POST", "/sign-in", data={"csrf": csrf, "email": administrator["email"], "password": administrator["password"]})
        agency = found(r'href="(/admin/agencies/(?!new)[^"?]+)"', ask("GET", "/admin/agencies"))
        csrf = found(r'name="csrf" value="([^"]+)"', ask("GET", f"{agency}/directory"))
        made = ask("POST", f"{agency}/directory/tokens", data={"csrf": csrf, "name": "scim2-tester", "days": "30"})
        return found(r"(lectern_directory_[A-Za-z0-9_-]+)", made)


def main() -> None:
    origin, accounts = sys.argv[1:3]
    headers = {"authorization": f"Bearer {token(origin, accounts)}"}
    with httpx2.Client(base_url=f"{origin}/scim/v2", headers=headers, timeout=60) as http:
        results = check_server(SyncSCIMClient(http))
    for result in results:
        print(f"{result.status.name:10} {result.title}: {(result.reason or '').splitlines()[0] if result.reason else ''}")
    wrong = [result for result in results if result.status not in (Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE)]
    for result in wrong:
        print(f"\n{result.title}: {result.reason}\n{result.data}", file=sys.stderr)
    print(f"\n{len(results)} checks, {len(wrong)} of them not passed or skipped.")
    sys.exit(1 if wrong or len(results) < 30 else 0)


if __name__ == "__main__":
    main()
