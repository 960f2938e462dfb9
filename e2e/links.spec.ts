import { expect, test } from "./fixtures.ts";

/** Says hello to port 6000 of the host, then sends back what comes to port 5000 of the guest. */
const PROGRAM = `
#include <sys/socket.h>
#include <unistd.h>
struct { unsigned short family, zero; unsigned port, cid, more; } a = { 40, 0, 6000, 2 };
char b[4096];
int main() {
int s = socket(40, SOCK_STREAM, 0);
if (connect(s, (void *)&a, 16)) return 1;
write(s, "hello", 5); shutdown(s, SHUT_WR); while (read(s, b, 9) > 0);
int l = socket(40, SOCK_STREAM, 0); a.port = 5000; a.cid = -1;
if (bind(l, (void *)&a, 16) || listen(l, 1)) return 2;
write(1, "listen" "ing", 9); s = accept(l, 0, 0);
for (long n; (n = read(s, b, sizeof b)) > 0;) write(s, b, n);
return 0; }
`;

test("lets scripts open console ports and sockets of the guest", async ({ vm, site }) => {
  await vm.boot(`${site}?ports=org.example.0&vsock&disk=none`);

  // Not before there is one: the port is opened twice, by either side.
  const fromGuest = vm.page.evaluate(async () => {
    const { readable, writable } = await window.tabvisor!.port("org.example.0");
    await writable.getWriter().write(new TextEncoder().encode("from the page\n"));
    const { value } = await readable.getReader().read();
    return new TextDecoder().decode(value);
  });
  await vm.run("P=/dev/virtio-ports/org.example.0; until [ -e $P ]; do usleep 10000; done");
  expect(await vm.run("head -n 1 < $P; echo from the guest > $P")).toBe("from the page");
  expect(await fromGuest).toBe("from the guest\n");

  await vm.page.evaluate(() => {
    const heard = window as unknown as { heard: Promise<string> };
    heard.heard = new Promise((resolve) => {
      window.tabvisor!.vsock.listen(6000, async ({ readable, writable }) => {
        const { value } = await readable.getReader().read();
        await writable.close();
        resolve(new TextDecoder().decode(value));
      });
    });
  });
  await vm.write("/tmp/v.c", PROGRAM);
  await vm.run("cd /tmp; tcc -o v v.c; until [ -e /dev/vsock ]; do usleep 100000; done");
  await vm.type("./v");
  await vm.press("Enter");
  await vm.see("listening");
  const results = await vm.page.evaluate(async () => {
    const { heard } = window as unknown as { heard: Promise<string> };
    const refused = await window.tabvisor!.vsock.connect(1).catch((error: Error) => error.message);
    const { readable, writable } = await window.tabvisor!.vsock.connect(5000);
    const data = new Uint8Array(1 << 20).map((_, i) => i * 31);
    const writer = writable.getWriter();
    void writer.write(data).then(() => writer.close());
    const reader = readable.getReader();
    let received = 0;
    let wrong = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      for (const byte of value) wrong += byte === data[received++] ? 0 : 1;
    }
    return { heard: await heard, refused, received, wrong };
  });
  expect(results).toEqual({
    heard: "hello",
    refused: "refused or reset",
    received: 1 << 20,
    wrong: 0,
  });
});
