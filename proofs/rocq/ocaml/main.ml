(* certus-check-verified STATEMENT PROOF: does the proof show the statement? Decided by code that is extracted from Rocq. *)
let usage =
  "certus-check-verified STATEMENT PROOF\n\n\
   STATEMENT is what `certus-check --export MODEL PROPERTY` writes, or - for standard input; PROOF is a certus proof, or - where it\n\
   follows the statement on standard input. Either file may be gzip-compressed.\n\
   Prints `accepted` (exit code 0) or `rejected: REASON` (1). 64: wrong usage, 65: a statement that cannot be read, 66: a missing file."

let stop code message = prerr_endline ("certus-check-verified: " ^ message); exit code

(* A file's text as a channel, unpacked by gzip where it is packed. *)
let opened path =
  match open_in_bin path with
  | exception Sys_error why -> stop 66 why
  | file ->
    let packed = in_channel_length file >= 2 && really_input_string file 2 = "\x1f\x8b" in
    if not packed then (seek_in file 0; (file, fun () -> true))
    else begin
      close_in file;
      let channel = Unix.open_process_args_in "gzip" [| "gzip"; "-dc"; path |] in
      (channel, fun () -> Unix.close_process_in channel = Unix.WEXITED 0)
    end

let all channel =
  let buffer = Buffer.create (1 lsl 20) and piece = Bytes.create 65536 in
  let rec go () =
    let n = input channel piece 0 (Bytes.length piece) in
    if n > 0 then (Buffer.add_subbytes buffer piece 0 n; go ()) in
  go ();
  Buffer.contents buffer

(* A statement, which ends in the first line `end`, and what follows it. *)
let after_end text =
  let n = String.length text in
  let rec find i =
    match String.index_from_opt text i '\n' with
    | Some at when at + 5 <= n && String.sub text at 5 = "\nend\n" -> (String.sub text 0 (at + 5), String.sub text (at + 5) (n - at - 5))
    | Some at -> find (at + 1)
    | None -> (text, "") in
  find 0

(* The lines of a text, one at a call. *)
let lines_of text =
  let at = ref 0 in
  fun () ->
    if !at >= String.length text then None
    else begin
      let stop = Option.value (String.index_from_opt text !at '\n') ~default:(String.length text) in
      let line = String.sub text !at (stop - !at) in
      at := stop + 1;
      Some line
    end

(* Most integers live shortly: a young generation of 8 MB, and no hurry with the old one. *)
let () = Gc.set { (Gc.get ()) with minor_heap_size = 1 lsl 20; space_overhead = 400; max_overhead = 1_000_000 }

let () =
  match Sys.argv with
  | [| _; "--help" |] -> print_endline usage
  | [| _; statement; proof |] ->
    let text = all (if statement = "-" then stdin else fst (opened statement)) in
    let text, rest = if (statement, proof) = ("-", "-") then after_end text else (text, "") in
    let network, cases =
      try Statement_file.read text with Statement_file.Malformed why -> stop 65 (statement ^ ": " ^ why) in
    let lines, whole = if proof = "-" then (lines_of rest, fun () -> true)
      else let channel, whole = opened proof in ((fun () -> try Some (input_line channel) with End_of_file -> None), whole) in
    let rejected why = print_endline ("rejected: " ^ why); exit 1 in
    let sections = try Proof_file.read lines with Proof_file.Rejected (line, why) -> rejected (Printf.sprintf "line %d: %s" line why) in
    if not (whole ()) then rejected "the proof cannot be unpacked";
    if Kernel.check (Guess.slopes network) network cases sections then print_endline "accepted"
    else rejected "it does not show the statement"
  | _ -> stop 64 usage
