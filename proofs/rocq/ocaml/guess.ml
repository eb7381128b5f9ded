(* Default slopes (FORMAT.md, "Slopes"), in f64. Nothing is assumed of them: the theorem holds whatever this returns. *)
module Zarith = Z
open Kernel
module Z = Zarith

let to_float d = ldexp (Z.to_float d.man) (Z.to_int d.ex)
let low = function Some d -> to_float d | None -> neg_infinity
let high = function Some d -> to_float d | None -> infinity
let one = Z.shift_left Z.one 32

let units s =
  if s <= 0.0 then Z.zero else if s >= 1.0 then one else Z.of_float (Float.round (s *. 4294967296.0))

(* How large the numbers are that each pre-activation is a sum of: Σ_j |W_ij| by source, and |b_i|. *)
type norms = { bias : float array; terms : (int * float array) list }

let norms_of = function
  | Affine (u, bias, terms) ->
    let scaled u w = Float.abs (ldexp (Z.to_float w) (Z.to_int u)) in
    let norm m = Array.of_list (List.map (List.fold_left (fun sum (_, w) -> sum +. scaled m.unit0 w) 0.0) m.rows) in
    Some { bias = Array.of_list (List.map (scaled u) bias); terms = List.map (fun (s, m) -> (s, norm m)) terms }
  | Relu _ -> None

let facet l u size =
  let pinned = Float.is_finite size && Float.max u (-.l) <= size /. 68719476736.0 in
  if l >= 0.0 && not pinned then (one, one)
  else if u <= 0.0 && (l < 0.0 || pinned) then (Z.zero, Z.zero)
  else
    let lower = if (not pinned) && u >= -.l *. (1023.0 /. 1024.0) then one else Z.zero in
    let ratio = u /. (u -. l) in
    let upper = if pinned then Z.zero else if Float.is_nan ratio then one else units ratio in
    (lower, upper)

(* The defaults of a network: by ReLU tensor and the intervals of all tensors. *)
let slopes network =
  let nodes = Array.of_list network.nodes in
  let norms = Array.map norms_of nodes in
  fun t ends ->
    match nodes.(t - 1) with
    | Affine _ -> []
    | Relu z ->
      let known t = Vector.to_list (Vector.get (Vector.of_list []) ends t) in
      let z_ends = known z in
      let sizes =
        match if z = 0 then None else norms.(z - 1) with
        | None -> Array.make (List.length z_ends) 0.0
        | Some { bias; terms } ->
          let sizes = Array.copy bias in
          let add (s, norm) =
            let most = List.fold_left (fun m (l, u) -> Float.max m (Float.max (Float.abs (low l)) (Float.abs (high u)))) 0.0 (known s) in
            Array.iteri (fun i n -> sizes.(i) <- sizes.(i) +. n *. most) norm in
          List.iter add terms;
          sizes in
      List.mapi (fun i (l, u) -> facet (low l) (high u) sizes.(i)) z_ends
