(** * Relaxations of ReLUs, and linear functions on a box

    Shown here: a ReLU's relaxation holds on the interval of its argument ([make_facets_ok]), what it makes of functionals that are held in packs
    is not above them ([relax_ok]), and a linear function is least at the ends of its box ([least_on_ok]). *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
From Certus Require Import Numbers Lanes Statement Blocks.
Open Scope R_scope.

(** ** One ReLU, and a tensor of them *)

(** a·z ≤ relu(z) ≤ s·z + t, with slopes in units of 2^-digits and t in units of 2^tunit; no t where there is no bound *)
Record facet := Facet { lower : Z; upper : Z; intercept : option Z }.

Definition facet_ok (digits tunit : Z) (f : facet) (z : R) : Prop :=
  (0 <= lower f <= 2 ^ digits)%Z /\ (0 <= upper f <= 2 ^ digits)%Z /\
  p2 (- digits) * IZR (lower f) * z <= Rmax 0 z /\
  match intercept f with
  | Some t => Rmax 0 z <= p2 (- digits) * IZR (upper f) * z + p2 tunit * IZR t
  | None => True
  end.

(** The relaxations of a tensor's ReLUs. *)
Record facets := Facets { digits : Z; tunit : Z; each : list facet }.

Definition no_facet : facet := Facet 0 0 None.
Definition no_facets : facets := Facets 0 0 [].
Definition facets_ok (f : facets) (z : nat -> R) : Prop :=
  (0 <= digits f)%Z /\ forall i, facet_ok (digits f) (tunit f) (nth i (each f) no_facet) (z i).

Lemma Rmax_slope a z : 0 <= a <= 1 -> a * z <= Rmax 0 z.
Proof. intros. unfold Rmax. destruct (Rle_dec 0 z); nra. Qed.

(** relu(z) ≤ s·z + max(−s·l, (1 − s)·u) on [l, u], for every s in [0, 1] *)
Lemma Rmax_chord s l u z : 0 <= s <= 1 -> l <= z <= u -> Rmax 0 z <= s * z + Rmax (- (s * l)) ((1 - s) * u).
Proof.
  intros Hs Hz. pose proof (Rmax_l (- (s * l)) ((1 - s) * u)). pose proof (Rmax_r (- (s * l)) ((1 - s) * u)).
  unfold Rmax at 1. destruct (Rle_dec 0 z); nra.
Qed.

(** The upper facet's intercept on an interval. *)
Definition chord (digits s : Z) (i : itv) : option dy :=
  match i with
  | (Some l, Some u) => Some (dmax (dmul (Dy (- s) (- digits)) l) (dmul (Dy (Z.shiftl 1 digits - s) (- digits)) u))
  | _ => None
  end.

(** Slopes outside of [0, 1] relax nothing; the intercept is taken in units of 2^tunit, where it is a multiple of that. *)
Definition make_facet (digits tunit a s : Z) (t : option dy) : facet :=
  let one := Z.shiftl 1 digits in
  if ((0 <=? a) && (a <=? one) && (0 <=? s) && (s <=? one))%Z then Facet a s (in_units tunit t) else no_facet.

Lemma no_facet_ok d u z : (0 <= d)%Z -> facet_ok d u no_facet z.
Proof.
  intros H. assert (0 <= 2 ^ d)%Z by (apply Z.pow_nonneg; lia). repeat split; simpl; auto; try lia.
  pose proof (Rmax_l 0 z). lra.
Qed.

Lemma unit_slope d a : (0 <= d)%Z -> (0 <= a <= Z.shiftl 1 d)%Z -> 0 <= p2 (- d) * IZR a <= 1.
Proof.
  intros Hd [Ha Hb]. pose proof (p2_pos (- d)) as P.
  apply IZR_le in Ha. apply IZR_le in Hb. rewrite shiftl_p2 in Hb by auto. split; [nra|].
  apply Rle_trans with (p2 (- d) * (1 * p2 d)); [nra|].
  rewrite Rmult_1_l, <- p2_add. replace (- d + d)%Z with 0%Z by lia. rewrite p2_0. lra.
Qed.

Lemma make_facet_ok d u a s i z : (0 <= d)%Z -> inside i z -> facet_ok d u (make_facet d u a s (chord d s i)) z.
Proof.
  intros Hd Hi. unfold make_facet. set (one := Z.shiftl 1 d).
  destruct ((0 <=? a) && (a <=? one) && (0 <=? s) && (s <=? one))%Z eqn:C; [|apply no_facet_ok; exact Hd].
  repeat (apply andb_prop in C as [C ?]). repeat match goal with H : (_ <=? _)%Z = true |- _ => apply Z.leb_le in H end.
  assert (A : 0 <= p2 (- d) * IZR a <= 1) by (apply unit_slope; auto).
  assert (S : 0 <= p2 (- d) * IZR s <= 1) by (apply unit_slope; auto).
  assert (O : one = (2 ^ d)%Z) by apply Z.shiftl_1_l.
  repeat split; cbn [lower upper intercept]; try lia; [apply Rmax_slope; auto|].
  destruct (in_units u (chord d s i)) as [m|] eqn:U; auto.
  destruct i as [[lo|] [hi|]]; try discriminate. apply in_units_val in U. rewrite U. destruct Hi as [Hl Hu]; simpl in Hl, Hu.
  eapply Rle_trans; [apply (Rmax_chord (p2 (- d) * IZR s) (val lo) (val hi)); eauto|].
  apply Rplus_le_compat_l. apply Rmax_lub.
  - eapply Rle_trans; [|apply dmax_l]. rewrite val_dmul. unfold val at 2; simpl. rewrite opp_IZR. lra.
  - eapply Rle_trans; [|apply dmax_r]. rewrite val_dmul. unfold val at 2; simpl.
    assert (K : p2 (- d) * p2 d = 1) by (rewrite <- p2_add; replace (- d + d)%Z with 0%Z by lia; apply p2_0).
    rewrite minus_IZR, shiftl_p2, Rmult_1_l by auto. apply Req_le.
    transitivity ((p2 (- d) * p2 d - p2 (- d) * IZR s) * val hi); [rewrite K; ring|ring].
Qed.

(** (a, s, intercept) *)
Definition raw_facet : Type := Z * Z * option dy.

Fixpoint raw_facets (digits down : Z) (slopes : list (Z * Z)) (ends : list itv) : list raw_facet :=
  match slopes, ends with
  | (a, s) :: slopes, i :: ends =>
    let s := Z.shiftr s down in (Z.shiftr a down, s, chord digits s i) :: raw_facets digits down slopes ends
  | _, _ => []
  end.

Definition common_unit (l : list raw_facet) : Z :=
  match fold_left (fun e '(_, _, t) => low_exponent t e) l None with Some e => e | None => 0%Z end.

Definition facets_from (digits down : Z) (slopes : list (Z * Z)) (ends : list itv) : facets :=
  let raw := raw_facets digits down slopes ends in
  let u := common_unit raw in
  Facets digits u (List.map (fun '(a, s, t) => make_facet digits u a s t) raw).

Definition one_32 : Z := 4294967296.
Definition is_whole (s : Z) : bool := ((s =? 0) || (s =? one_32))%Z.

(** From slopes (a, s) in units of 2^-32; where all are 0 or 1, in units of 1. *)
Definition make_facets (slopes : list (Z * Z)) (ends : list itv) : facets :=
  if forallb (fun '(a, s) => is_whole a && is_whole s) slopes
  then facets_from 0 32 slopes ends
  else facets_from 32 0 slopes ends.

Lemma facets_from_ok d k slopes ends z : (0 <= d)%Z -> (forall i, inside (nth i ends whole) (z i)) ->
  facets_ok (facets_from d k slopes ends) z.
Proof.
  intros Hd H. unfold facets_from. set (u := common_unit _). clearbody u. split; [exact Hd|]. cbn [digits tunit each].
  revert ends z H. induction slopes as [|[a s] slopes IH]; intros [|e ends] z H i; cbn [raw_facets List.map];
    try (destruct i; apply no_facet_ok; exact Hd).
  destruct i; cbn [nth]; [apply make_facet_ok; auto; apply (H O)|].
  apply (IH ends (fun i => z (S i))). intros j; apply (H (S j)).
Qed.

Lemma make_facets_ok slopes ends z : (forall i, inside (nth i ends whole) (z i)) -> facets_ok (make_facets slopes ends) z.
Proof. intros H. unfold make_facets. destruct (forallb _ slopes); apply facets_from_ok; auto; lia. Qed.

Lemma no_facets_ok z : facets_ok no_facets z.
Proof. split; [cbn; lia|]. intros i. destruct i; apply no_facet_ok; cbn; lia. Qed.

(** ** Packs of coefficients through a ReLU *)

Section Lanes.
Variable lanes : nat.


(** In every lane: the coefficient of z in what is not above d·relu(z), and what is added to a sum. *)
Fixpoint relax_lanes (f : facet) (ds us : list Z) : option (list Z * list Z) :=
  match ds, us with
  | d :: ds, u :: us =>
    match relax_lanes f ds us with
    | Some (ds, us) =>
      match (d ?= 0)%Z with
      | Eq => Some (0%Z :: ds, u :: us)
      | Gt => Some ((d * lower f)%Z :: ds, u :: us)
      | Lt => match intercept f with Some t => Some ((d * upper f)%Z :: ds, (u + d * t)%Z :: us) | None => None end
      end
    | None => None
    end
  | _, _ => Some ([], [])
  end.

Fixpoint relax (dec : Z -> list Z) (enc : list Z -> Z) (ps : list Z) (f : list facet) (us : list Z) : option (list Z * list Z) :=
  match ps with
  | [] => Some ([], us)
  | p :: ps =>
    match (if (p =? 0)%Z then Some (0%Z, us)
           else match relax_lanes (hd no_facet f) (dec p) us with Some (ds, us) => Some (enc ds, us) | None => None end) with
    | Some (p, us) =>
      match relax dec enc ps (tl f) us with
      | Some (ps, us) => Some (p :: ps, us)
      | None => None
      end
    | None => None
    end
  end.

Lemma relax_lanes_ok g u f b ds us ds' us' z : (0 <= g)%Z -> facet_ok g u f z -> length ds = length us ->
  Forall (fun d => (Z.abs d <= b)%Z) ds -> relax_lanes f ds us = Some (ds', us') ->
  length ds' = length ds /\ length us' = length us /\ Forall (fun d => (Z.abs d <= Z.shiftl b g)%Z) ds' /\
  forall l, p2 (- g) * IZR (nth l ds' 0%Z) * z + p2 u * IZR (nth l us' 0%Z) <= IZR (nth l ds 0%Z) * Rmax 0 z + p2 u * IZR (nth l us 0%Z).
Proof.
  intros G (L & U & HL & HU). revert us ds' us'. induction ds as [|d ds IH]; intros [|v us] ds' us' E F R; try discriminate; cbn [relax_lanes] in R.
  - injection R as <- <-. repeat split; auto. intros l. destruct l; cbn; lra.
  - destruct (relax_lanes f ds us) as [[es vs]|] eqn:S; [|discriminate]. inversion F as [|? ? D Ds]; subst.
    destruct (IH us es vs) as (E1 & E2 & F' & V); auto.
    assert (P : (0 <= 2 ^ g)%Z) by (apply Z.pow_nonneg; lia). assert (B : (0 <= b)%Z) by lia.
    rewrite Z.shiftl_mul_pow2 in * by exact G.
    destruct (Z.compare_spec d 0) as [->|N|N].
    + injection R as <- <-. (split; [cbn; congruence|split; [cbn; congruence|split; [constructor; auto; rewrite Z.abs_0; apply Z.mul_nonneg_nonneg; lia|]]]).
      intros [|l]; cbn [nth]; auto. lra.
    + destruct (intercept f) as [t|]; [|discriminate]. injection R as <- <-.
      (split; [cbn; congruence|split; [cbn; congruence|split; [constructor; auto; rewrite Z.abs_mul, (Z.abs_eq (upper f)) by lia; apply Z.mul_le_mono_nonneg; lia|]]]).
      intros [|l]; cbn [nth]; auto. rewrite plus_IZR, !mult_IZR. apply IZR_lt in N. nra.
    + injection R as <- <-. (split; [cbn; congruence|split; [cbn; congruence|split; [constructor; auto; rewrite Z.abs_mul, (Z.abs_eq (lower f)) by lia; apply Z.mul_le_mono_nonneg; lia|]]]).
      intros [|l]; cbn [nth]; auto. rewrite mult_IZR. apply IZR_lt in N. nra.
Qed.

Lemma relax_ok w w' g u b ps f us ps' us' z : wide w b -> wide w' (Z.shiftl b g) -> (0 <= g)%Z ->
  (forall i, facet_ok g u (nth i f no_facet) (z i)) -> Forall (fits_in w lanes b) ps -> length us = lanes ->
  relax (decode (decoder_of w lanes)) (encode_tree lanes w') ps f us = Some (ps', us') ->
  Forall (fits_in w' lanes (Z.shiftl b g)) ps' /\ length us' = lanes /\
  forall l, p2 (- g) * dot (lane_list lanes w' l ps') z + p2 u * IZR (nth l us' 0%Z) <=
    dot (lane_list lanes w l ps) (fun i => Rmax 0 (z i)) + p2 u * IZR (nth l us 0%Z).
Proof.
  intros W W' G H F. revert f us ps' us' z H. induction F as [|p ps P F IH]; intros f us ps' us' z H L E; cbn [relax] in E.
  - injection E as <- <-. repeat split; auto. intros l. cbn. lra.
  - assert (H0 := H O). assert (HS : forall i, facet_ok g u (nth i (tl f) no_facet) (z (S i))).
    { intros i. specialize (H (S i)). destruct f; simpl in *; auto. destruct i; auto. }
    replace (nth 0 f no_facet) with (hd no_facet f) in H0 by (destruct f; auto).
    destruct (if (p =? 0)%Z then _ else _) as [[p' us1]|] eqn:Q; [|discriminate].
    destruct (relax _ _ ps (tl f) us1) as [[qs us2]|] eqn:R; [|discriminate]. injection E as <- <-.
    assert (K : fits_in w' lanes (Z.shiftl b g) p' /\ length us1 = lanes /\ forall l,
      p2 (- g) * IZR (lane w' lanes l p') * z O + p2 u * IZR (nth l us1 0%Z) <= IZR (lane w lanes l p) * Rmax 0 (z O) + p2 u * IZR (nth l us 0%Z)).
    { destruct (Z.eqb_spec p 0) as [->|_].
      - injection Q as <- <-. split; [apply fits_0; apply W'|]. split; auto. intros l. rewrite !lane_0 by apply W || apply W'. lra.
      - destruct P as (ds & D & B & ->). rewrite (decode_encode _ _ b) in Q by auto.
        destruct (relax_lanes _ _ _) as [[ds' us3]|] eqn:S; [|discriminate]. injection Q as <- <-.
        destruct (relax_lanes_ok g u _ b ds us ds' us3 (z O) G H0 ltac:(congruence) B S) as (E1 & E2 & F' & V).
        rewrite encode_tree_eq by (destruct W'; lia). split; [exists ds'; repeat split; auto; congruence|]. split; [congruence|].
        intros l. rewrite (lane_encode w' lanes (Z.shiftl b g)), (lane_encode w lanes b); auto. congruence. }
    destruct K as (K1 & K2 & K3). destruct (IH (tl f) us1 qs us2 (fun i => z (S i)) HS K2 R) as (R1 & R2 & R3).
    split; [constructor; auto|]. split; auto. intros l. specialize (K3 l). specialize (R3 l). cbn [lane_list List.map dot] in *.
    fold (lane_list lanes w' l qs) in *. fold (lane_list lanes w l ps) in *. lra.
Qed.

End Lanes.

(** ** Linear functions of the input *)

Record linear := Linear { l_scale : Z; l_coefs : list Z; l_const : dy }.
Definition linear_value (f : linear) (x : nat -> R) : R := p2 (l_scale f) * dot (l_coefs f) x + val (l_const f).

(** The least of one on a box, if there is one. *)
Fixpoint least (e : Z) (cs : list Z) (ends : list itv) (sum : dy) : option dy :=
  match cs with
  | [] => Some sum
  | c :: cs =>
    let i := hd whole ends in
    match (c ?= 0)%Z, i with
    | Eq, _ => least e cs (tl ends) sum
    | Gt, (Some l, _) => least e cs (tl ends) (dadd sum (dmul (Dy c e) l))
    | Lt, (_, Some u) => least e cs (tl ends) (dadd sum (dmul (Dy c e) u))
    | _, _ => None
    end
  end.

Lemma least_value e cs ends sum d x : (forall i, inside (nth i ends whole) (x i)) ->
  least e cs ends sum = Some d -> val d <= p2 e * dot cs x + val sum.
Proof.
  revert ends sum x. induction cs as [|c cs IH]; intros ends sum x H E; simpl in E.
  - injection E as <-. simpl. lra.
  - assert (H0 := H O). assert (HS : forall i, inside (nth i (tl ends) whole) (x (S i))).
    { intros i. specialize (H (S i)). destruct ends; simpl in *; auto. destruct i; auto. }
    replace (nth 0 ends whole) with (hd whole ends) in H0 by (destruct ends; auto).
    destruct (hd whole ends) as [l u]. destruct H0 as [HL HU]. pose proof (p2_pos e) as P.
    destruct (Z.compare_spec c 0) as [->|Hc|Hc].
    + specialize (IH _ _ _ HS E). simpl. lra.
    + destruct u as [u|]; [|destruct l; discriminate].
      assert (E' : least e cs (tl ends) (dadd sum (dmul (Dy c e) u)) = Some d) by (destruct l; exact E).
      specialize (IH _ _ _ HS E'). rewrite val_dadd, val_dmul in IH. unfold val at 3 in IH; simpl in IH.
      simpl. simpl in HU. apply IZR_lt in Hc.
      assert (K : p2 e * (IZR c * val u) <= p2 e * (IZR c * x O)) by (apply Rmult_le_compat_l; nra). lra.
    + destruct l as [l|]; [|discriminate].
      specialize (IH _ _ _ HS E). rewrite val_dadd, val_dmul in IH. unfold val at 3 in IH; simpl in IH.
      simpl. simpl in HL. apply IZR_lt in Hc.
      assert (K : p2 e * (IZR c * val l) <= p2 e * (IZR c * x O)) by (apply Rmult_le_compat_l; nra). lra.
Qed.

Definition least_on (box : list itv) (f : linear) : option dy := least (l_scale f) (l_coefs f) box (l_const f).

Lemma least_on_ok box f d x : (forall i, inside (nth i box whole) (x i)) -> least_on box f = Some d -> val d <= linear_value f x.
Proof. intros H E. apply (least_value _ _ _ _ _ x H) in E. exact E. Qed.
