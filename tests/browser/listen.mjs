// Listens to argv[2] with Node's own WebSocket through the client until frame argv[3]; prints what it got as JSON.
import { FaceStream, SHAPE_INDEX } from "../../driver/web/client/index.js";

const [url, lastSeq] = [process.argv[2], Number(process.argv[3])];
const seqs = [], jaws = [];
const stream = new FaceStream(url, {
  onHello: (hello) => console.log(JSON.stringify({ hello: hello.sender, rateHz: hello.rateHz })),
  onFace: (face) => {
    seqs.push(face.seq);
    jaws.push(face.arkit[SHAPE_INDEX.jawOpen]);
    if (face.seq < lastSeq) return;
    stream.close();
    console.log(JSON.stringify({ seqs, jaws, lost: stream.lost, bad: stream.bad }));
  },
});
