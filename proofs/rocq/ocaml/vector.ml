(* Persistent arrays, after Baker: the newest version is an array, each older one says in which place it differs from the next.
   They behave as lists do in Numbers.v: reading past the end gives the default, writing there changes nothing. *)
type 'a t = 'a version ref
and 'a version = Array of 'a array | Differs of int * 'a * 'a t

(* Makes v the newest version, without recursion: the chain of differences may be long. *)
let rec reroot v =
  match !v with
  | Array a -> a
  | Differs _ ->
    let rec path v chain =
      match !v with Array a -> (v, a, chain) | Differs (_, _, next) -> path next (v :: chain) in
    let newest, a, chain = path v [] in
    let step next v =
      (match !v with
       | Differs (i, x, _) ->
         next := Differs (i, a.(i), v);
         a.(i) <- x;
         v := Array a
       | Array _ -> assert false);
      v in
    ignore (List.fold_left step newest chain);
    reroot v

let of_list l = ref (Array (Array.of_list l))
let to_list v = Array.to_list (reroot v)
let match_vector f v = f (to_list v)
let length v = Array.length (reroot v)
let make n x = ref (Array (Array.make n x))

let get default v i =
  let a = match !v with Array a -> a | Differs _ -> reroot v in
  if i < Array.length a then a.(i) else default

let set v i x =
  let a = match !v with Array a -> a | Differs _ -> reroot v in
  if i < Array.length a then begin
    let old = a.(i) in
    a.(i) <- x;
    let next = ref !v in
    v := Differs (i, old, next);
    next
  end
  else v
