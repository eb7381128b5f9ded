(** * The one rule: lower bounds of linear functionals

    Shown here, for values x of all tensors that satisfy the network's equations ([solves]) and relaxations that hold: a sweep finds linear
    functions of the input below its functionals ([sweeps_ok]). *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
From Certus Require Import Numbers Lanes Statement Blocks Facets.
Open Scope R_scope.

(** Values of all elements of all tensors. *)
Definition values : Type := nat -> nat -> R.

(** ** The network, made ready: what tensor t is (nothing for the input), its size, and the norms of its maps *)

Record circuit := Circuit { defs : vec (option node); sizes : vec nat; norms : vec (list Z) }.

Definition def (c : circuit) (t : nat) : option node := vget None (defs c) t.
Definition size (c : circuit) (t : nat) : nat := vget O (sizes c) t.

(** x satisfies the equations. *)
Definition solves (c : circuit) (x : values) : Prop := forall t,
  match def c t with
  | Some (Affine u bias terms) => forall i, x t i = IZR (nth i bias 0%Z) * p2 u + terms_value terms i x
  | Some (Relu s) => forall i, x t i = Rmax 0 (x s i)
  | None => True
  end.

(** Every column that a row reads is there, and the norms are those of the maps. *)
Definition map_fits (c : circuit) (sm : nat * map) : bool := forallb (row_fits (size c (fst sm))) (rows (snd sm)).
Definition fits (c : circuit) : Prop := forall t u bias terms, def c t = Some (Affine u bias terms) ->
  forallb (map_fits c) terms = true /\ vget [] (norms c) t = List.map (fun sm => map_norm (snd sm)) terms.

(** ** Sweeps of several functionals *)

Section Sweep.
Variable lanes : nat.
Variable c : circuit.
Variable fs : vec facets.
Variable x : values.
Hypothesis equations : solves c x.
Hypothesis fitting : fits c.

(** The relaxations of the ReLUs hold. *)
Definition relaxed : Prop := forall t s, def c t = Some (Relu s) -> facets_ok (vget no_facets fs t) (x s).
Hypothesis relaxing : relaxed.
(** *** Elimination *)

(** The tensors that still are to be eliminated, the last one first. *)
Definition pending : Type := list (nat * block).

Fixpoint pending_value (l : nat) (p : pending) : R :=
  match p with
  | [] => 0
  | (t, b) :: p => block_value lanes l b (x t) + pending_value l p
  end.
Definition all_good (p : pending) : Prop := Forall (fun tb => good lanes (snd tb)) p.

Fixpoint push (t : nat) (b : block) (p : pending) : pending :=
  match p with
  | [] => [(t, b)]
  | (s, a) :: q =>
    if Nat.eqb s t then (s, block_add lanes a b) :: q
    else if Nat.ltb s t then (t, b) :: p
    else (s, a) :: push t b q
  end.

Lemma push_ok t b p : good lanes b -> all_good p ->
  all_good (push t b p) /\ forall l, pending_value l (push t b p) = block_value lanes l b (x t) + pending_value l p.
Proof.
  intros B P. induction P as [|[s a] p A P [IH1 IH2]]; cbn [push pending_value].
  - split; [constructor; auto; constructor|reflexivity].
  - destruct (Nat.eqb_spec s t) as [->|_].
    + destruct (block_add_ok lanes a b A B) as [G V]. split; [constructor; auto|]. intros l. cbn [pending_value]. rewrite V. lra.
    + destruct (Nat.ltb s t).
      * split; [constructor; auto; constructor; auto|reflexivity].
      * split; [constructor; auto|]. intros l. cbn [pending_value]. rewrite IH2. lra.
Qed.

Fixpoint push_terms (b : block) (terms : list (nat * map)) (ns : list Z) (p : pending) : pending :=
  match terms, ns with
  | (s, m) :: terms, n :: ns => push_terms b terms ns (push s (through (size c s) m n b) p)
  | _, _ => p
  end.

Lemma push_terms_ok b terms p : good lanes b -> all_good p -> forallb (map_fits c) terms = true ->
  Forall (fun n => wide (width b) (bound b * n)) (List.map (fun sm => map_norm (snd sm)) terms) ->
  let q := push_terms b terms (List.map (fun sm => map_norm (snd sm)) terms) p in
  all_good q /\ forall l, pending_value l q = block_value lanes l b (fun i => terms_value terms i x) + pending_value l p.
Proof.
  intros B. revert p. induction terms as [|[s m] terms IH]; intros p P H F; cbn [List.map push_terms snd] in *.
  - split; [exact P|]. intros l. unfold block_value. cbn [terms_value]. rewrite (dot_ext _ _ (fun i => 0 * 0)), dot_scal by (intros; lra). lra.
  - simpl in H. apply andb_prop in H as [H1 H2]. inversion F as [|? ? W F']; subst.
    destruct (through_ok lanes (size c s) m b B W H1) as [G V]. destruct (push_ok s _ p G P) as [P' V'].
    destruct (IH _ P' H2 F') as [R RV]. split; [exact R|]. intros l. rewrite RV, V', V. unfold block_value. cbn [terms_value].
    rewrite (dot_plus _ (fun i => p2 (unit m) * row_value (nth i (rows m) []) (x s)) (fun i => terms_value terms i x)). lra.
Qed.

Fixpoint add_sums (e : Z) (us : list Z) (sums : list dy) : list dy :=
  match us, sums with
  | u :: us, s :: sums => (if (u =? 0)%Z then s else dadd s (Dy u e)) :: add_sums e us sums
  | _, _ => sums
  end.

Lemma add_sums_ok e us sums : length us = length sums -> length (add_sums e us sums) = length sums /\
  forall l, val (nth l (add_sums e us sums) dy0) = val (nth l sums dy0) + p2 e * IZR (nth l us 0%Z).
Proof.
  revert sums. induction us as [|u us IH]; intros [|s sums] E; try discriminate; cbn [add_sums].
  - split; auto. intros [|l]; cbn; lra.
  - destruct (IH sums) as [L V]; [simpl in E; lia|]. split; [cbn; lia|]. intros [|l]; cbn [nth]; auto.
    destruct (Z.eqb_spec u 0) as [->|_]; [lra|]. rewrite val_dadd. unfold val at 2; cbn. lra.
Qed.

Lemma nth_zeros n l : nth l (repeat 0%Z n) 0%Z = 0%Z.
Proof. apply nth_repeat. Qed.

(** The columns of a list of rows of so many numbers. *)
Fixpoint transpose (n : nat) (rs : list (list Z)) : list (list Z) :=
  match rs with
  | [] => repeat [] n
  | r :: rs => List.map (fun '(d, col) => d :: col) (combine r (transpose n rs))
  end.

Lemma transpose_ok n rs : Forall (fun r => length r = n) rs -> length (transpose n rs) = n /\
  forall l, (l < n)%nat -> nth l (transpose n rs) [] = List.map (fun r => nth l r 0%Z) rs.
Proof.
  intros F. induction F as [|r rs R F [L V]]; cbn [transpose List.map].
  - split; [apply repeat_length|]. intros l _. apply nth_repeat.
  - split; [rewrite map_length, combine_length; lia|]. intros l H. rewrite <- V by exact H.
    set (f := fun '(d, col) => d :: col). rewrite (nth_indep _ [] (f (0%Z, []))) by (rewrite map_length, combine_length; lia).
    rewrite map_nth, combine_nth by lia. reflexivity.
Qed.

Definition finish (b : block) (sums : list dy) : list linear :=
  let d := decoder_of (width b) lanes in
  let zeros := repeat 0%Z lanes in
  List.map (fun '(cs, s) => Linear (scale b) cs s)
    (combine (transpose lanes (List.map (fun p => if (p =? 0)%Z then zeros else decode d p) (vlist (packs b)))) sums).

Lemma decode_length w p : length (decode (decoder_of w lanes) p) = lanes.
Proof. unfold decode, decoder_of; cbn. rewrite !map_length, seq_length. reflexivity. Qed.

Definition no_linear : linear := Linear 0 [] dy0.

Lemma finish_ok b sums : good lanes b -> length sums = lanes -> length (finish b sums) = lanes /\
  forall l y, (l < lanes)%nat -> linear_value (nth l (finish b sums) no_linear) y = block_value lanes l b y + val (nth l sums dy0).
Proof.
  intros [W F] L. unfold finish. set (rs := List.map _ (vlist (packs b))).
  assert (R : Forall (fun r => length r = lanes) rs).
  { apply Forall_map, Forall_forall. intros p _. destruct (p =? 0)%Z; [apply repeat_length|apply decode_length]. }
  destruct (transpose_ok lanes rs R) as [T V]. split; [rewrite map_length, combine_length; lia|]. intros l y H.
  set (f := fun '(cs, s) => _). rewrite (nth_indep _ no_linear (f ([], dy0))) by (rewrite map_length, combine_length; lia).
  rewrite map_nth, combine_nth by lia. unfold f, linear_value; cbn [l_scale l_coefs l_const]. rewrite V by exact H.
  unfold block_value, lane_list, rs. rewrite map_map. do 3 f_equal. apply map_ext. intros p.
  destruct (Z.eqb_spec p 0) as [->|_]; [|reflexivity]. rewrite lane_0 by apply W. apply nth_zeros.
Qed.

Definition largest (l : list Z) : Z := fold_left Z.max l 0%Z.

(** Room for the way through the affine map that tensor t is; only a hint. *)
Definition growth (t : nat) : Z :=
  match def c t with
  | Some (Affine _ bias _) => largest (bias_norm bias :: vget [] (norms c) t)
  | _ => 1
  end.

(** Eliminates the tensors one after the other, down to the input; one turn for each tensor is enough. *)
Fixpoint eliminate (turns : nat) (p : pending) (sums : list dy) : option (list linear) :=
  match p with
  | [] => Some (List.map (Linear 0 []) sums)
  | (t, b) :: p =>
    match turns, def c t with
    | S turns, Some (Affine u bias terms) =>
      let ns := vget [] (norms c) t in
      let most := largest (bias_norm bias :: ns) in
      let b := recode lanes (Z.max (width b) (room (bound b * most))) (scale b) b in
      let p0 := dot_bias (vlist (packs b)) bias 0 in
      let sums := if (p0 =? 0)%Z then sums else add_sums (scale b + u) (decode (decoder_of (width b) lanes) p0) sums in
      eliminate turns (push_terms b terms ns p) sums
    | S turns, Some (Relu s) =>
      let f := vget no_facets fs t in
      let m := Z.shiftl (bound b) (digits f) in
      let w := room (m * growth s) in
      if (room m <=? w)%Z then
        match relax (decode (decoder_of (width b) lanes)) (encode_tree lanes w) (vlist (packs b)) (each f) (repeat 0%Z lanes) with
        | Some (ps, us) => eliminate turns (push s (Block (scale b - digits f) w m (Vec ps)) p) (add_sums (scale b + tunit f) us sums)
        | None => None
        end
      else None
    | _, None =>
      match t, p with
      | O, [] => Some (finish b sums)
      | _, _ => None
      end
    | O, _ => None
    end
  end.

Lemma largest_le l k : In k l -> (k <= largest l)%Z.
Proof.
  unfold largest. assert (M : forall l m, (m <= fold_left Z.max l m)%Z).
  { clear. induction l as [|a l IH]; intros m; cbn; [lia|]. specialize (IH (Z.max m a)). lia. }
  generalize 0%Z. induction l as [|a l IH]; intros m I; [inversion I|]. cbn. destruct I as [->|I]; auto.
  specialize (M l (Z.max m k)). lia.
Qed.

Lemma map_norm_nonneg m : (0 <= map_norm m)%Z.
Proof. apply rows_norm_nonneg. Qed.

Lemma eliminate_ok turns p sums r : all_good p -> length sums = lanes -> eliminate turns p sums = Some r ->
  length r = lanes /\ forall l, (l < lanes)%nat -> linear_value (nth l r no_linear) (x O) <= pending_value l p + val (nth l sums dy0).
Proof.
  revert p sums. induction turns as [|turns IH]; intros [|[t b] p] sums G L E; cbn [eliminate] in E.
  1,3: injection E as <-; split; [rewrite map_length; exact L|]; intros l H;
    rewrite (nth_indep _ no_linear (Linear 0 [] dy0)) by (rewrite map_length; lia); rewrite map_nth; unfold linear_value; cbn; lra.
  - destruct (def c t) as [[]|]; try discriminate. destruct t, p; try discriminate. injection E as <-.
    inversion G as [|? ? B _]; subst. destruct (finish_ok b sums B L) as [F V]. split; [exact F|].
    intros l H. rewrite V by exact H. cbn [pending_value]. lra.
  - inversion G as [|? ? B G']; subst. cbn [snd] in B. pose proof (equations t) as Ht.
    destruct (def c t) as [[u bias terms|s]|] eqn:D.
    + destruct (fitting t u bias terms D) as [Fit Ns]. rewrite Ns in E. set (ns := List.map _ terms) in *.
      set (most := largest (bias_norm bias :: ns)) in *. set (w := Z.max (width b) (room (bound b * most))) in *.
      pose proof B as [Wb _]. assert (M : (0 <= most)%Z) by (eapply Z.le_trans; [apply (bias_norm_nonneg bias)|apply largest_le; left; reflexivity]).
      assert (K : (0 <= bound b * most)%Z) by (apply Z.mul_nonneg_nonneg; [apply Wb|exact M]).
      assert (W1 : wide w (bound b)).
      { destruct Wb as [Wp [Wl Wh]]. split; [lia|]. split; [exact Wl|]. eapply Z.lt_le_trans; [exact Wh|]. apply Z.pow_le_mono_r; lia. }
      assert (W2 : forall n, In n (bias_norm bias :: ns) -> (0 <= n)%Z -> wide w (bound b * n)).
      { intros n I N. apply (wide_less _ _ (bound b * most)); [|apply room_wide; lia].
        split; [apply Z.mul_nonneg_nonneg; [apply Wb|exact N]|]. apply Z.mul_le_mono_nonneg_l; [apply Wb|apply largest_le; exact I]. }
      destruct (recode_ok lanes w (scale b) b B ltac:(lia)) as (B' & Sb & Ww & Bb & _ & Vb).
      { rewrite Z.sub_diag, Z.shiftl_0_r. exact W1. }
      rewrite Z.sub_diag, Z.shiftl_0_r in Bb. set (b' := recode lanes w (scale b) b) in *.
      destruct (push_terms_ok b' terms p B' G' Fit) as [P V].
      { fold ns. rewrite Ww, Bb. apply Forall_forall. intros n I. apply W2; [right; exact I|].
        unfold ns in I. apply in_map_iff in I as (sm & <- & _). apply map_norm_nonneg. }
      fold ns in P, V. destruct B' as [_ Fb]. rewrite Ww, Bb in Fb.
      destruct (dot_bias_ok lanes w 0 (bound b) (vlist (packs b')) bias 0) as [Pb Vp]; auto; try lia.
      { apply W2; [left; reflexivity|apply bias_norm_nonneg]. }
      { apply fits_0; lia. }
      set (p0 := dot_bias _ _ _) in *.
      set (sums' := if (p0 =? 0)%Z then sums else _) in E.
      assert (Hs : length sums' = lanes /\ forall l, val (nth l sums' dy0) = val (nth l sums dy0) + p2 (scale b + u) * IZR (lane w lanes l p0)).
      { unfold sums'. destruct (Z.eqb_spec p0 0) as [Z0|_].
        - split; auto. intros l. rewrite Z0, lane_0 by apply W1. lra.
        - rewrite Ww, Sb. destruct (add_sums_ok (scale b + u) (decode (decoder_of w lanes) p0) sums) as [La Va]; [rewrite decode_length; auto|].
          split; [congruence|]. intros l. rewrite Va. reflexivity. }
      destruct Hs as [Ls Vs]. destruct (IH _ _ P Ls E) as [R RV]. split; [exact R|]. intros l H.
      specialize (RV l H). rewrite V, Vs, Vp, lane_0 in RV by apply W1. cbn [pending_value]. rewrite <- (Vb l (x t)).
      unfold block_value in *. rewrite Sb, Ww in *. rewrite (dot_ext _ (x t) _ Ht).
      rewrite (dot_plus _ (fun i => IZR (nth i bias 0%Z) * p2 u) (fun i => terms_value terms i x)).
      rewrite (dot_ext _ (fun i => IZR (nth i bias 0%Z) * p2 u) (fun i => p2 u * IZR (nth i bias 0%Z))) by (intros; lra).
      rewrite dot_scal. rewrite p2_add in RV. lra.
    + destruct (relaxing t s D) as [Dg Fc]. set (f := vget no_facets fs t) in *. set (m := Z.shiftl (bound b) (digits f)) in *.
      set (w := room (m * growth s)) in *. destruct (Z.leb_spec (room m) w) as [Rm|_]; [|discriminate].
      pose proof B as [Wb Fb]. assert (M : (0 <= m)%Z) by (apply shiftl_le; apply Wb).
      assert (W' : wide w m) by (apply room_wide; auto).
      destruct (relax _ _ _ _ _) as [[ps us]|] eqn:R; [|discriminate].
      destruct (relax_ok lanes (width b) w (digits f) (tunit f) (bound b) _ _ _ _ _ (x s) Wb W' Dg Fc Fb (repeat_length _ _) R) as (Fp & Lu & V).
      destruct (push_ok s (Block (scale b - digits f) w m (Vec ps)) p) as [P PV]; [split; cbn; auto|exact G'|].
      destruct (add_sums_ok (scale b + tunit f) us sums ltac:(congruence)) as [Ls Vs].
      destruct (IH _ _ P (eq_trans Ls L) E) as [Rl RV]. split; [exact Rl|]. intros l H. specialize (RV l H). rewrite PV, Vs in RV.
      specialize (V l). rewrite nth_zeros in V. cbn [pending_value]. unfold block_value in *; cbn [scale width packs vlist] in RV.
      rewrite (dot_ext _ (x t) _ Ht). unfold Z.sub in RV. rewrite !p2_add in RV. pose proof (p2_pos (scale b)) as Pb.
      apply (Rmult_le_compat_l (p2 (scale b))) in V; [|lra]. rewrite !Rmult_plus_distr_l in V. lra.
    + destruct t, p; try discriminate. injection E as <-.
      destruct (finish_ok b sums B L) as [F V]. split; [exact F|]. intros l H. rewrite V by exact H. cbn [pending_value]. lra.
Qed.

(** *** Beginning *)

Fixpoint seed (turns : nat) (s : list seed_term) (p : pending) : option pending :=
  match s, turns with
  | [], _ => Some p
  | (_, (t, _, _)) :: _, S turns =>
    let mine := filter (fun '(_, (t', _, _)) => Nat.eqb t' t) s in
    match seed_block lanes t (size c t) mine with
    | Some b => seed turns (filter (fun '(_, (t', _, _)) => negb (Nat.eqb t' t)) s) (push t b p)
    | None => None
    end
  | _, O => None
  end.

Lemma seeds_filter l f s : seeds_value l (filter f s) x + seeds_value l (filter (fun a => negb (f a)) s) x = seeds_value l s x.
Proof.
  induction s as [|[k [[t i] d]] s IH]; cbn [filter seeds_value]; [lra|].
  match goal with |- context [if f ?a then _ else _] => destruct (f a) end; cbn [negb seeds_value]; lra.
Qed.

Lemma seed_ok turns s p q : all_good p -> seed turns s p = Some q ->
  all_good q /\ forall l, pending_value l q = seeds_value l s x + pending_value l p.
Proof.
  revert s p. induction turns as [|turns IH]; intros [|[k [[t i] d]] s] p G E; cbn [seed] in E; try discriminate.
  1,2: injection E as <-; split; [exact G|]; intros; cbn [seeds_value]; lra.
  set (is_t := fun '(_, (t', _, _)) => Nat.eqb t' t) in E.
  destruct (seed_block _ _ _ _) as [b|] eqn:B; [|discriminate].
  destruct (seed_block_ok lanes t _ _ _ B) as [Gb Vb]. destruct (push_ok t b p Gb G) as [P V].
  destruct (IH _ _ P E) as [Q QV]. split; [exact Q|]. intros l. rewrite QV, V, Vb.
  pose proof (seeds_filter l is_t ((k, (t, i, d)) :: s)) as SF. unfold seed_term, term in *. rewrite <- SF.
  rewrite (filter_ext (fun '(_, (t', _, _)) => negb (Nat.eqb t' t)) (fun a => negb (is_t a))) by (intros [k' [[t' i'] d']]; reflexivity).
  lra.
Qed.

End Sweep.

(** ** Functionals of several tensors *)

(** Σ coefficient · element + constant; (tensor, element, coefficient) *)
Record functional := Functional { parts : list term; const : dy }.

Fixpoint parts_value (l : list term) (x : values) : R :=
  match l with
  | [] => 0
  | (t, i, d) :: l => val d * x t i + parts_value l x
  end.
Definition functional_value (f : functional) (x : values) : R := parts_value (parts f) x + val (const f).

Lemma parts_app a b x : parts_value (a ++ b) x = parts_value a x + parts_value b x.
Proof. induction a as [|[[t i] d] a IH]; simpl; [lra|]. rewrite IH; lra. Qed.

Definition scale_terms (k : dy) (l : list term) : list term :=
  List.map (fun '(t, i, d) => (t, i, dmul k d)) l.

Lemma scale_terms_value k l x : parts_value (scale_terms k l) x = val k * parts_value l x.
Proof. induction l as [|[[t i] d] l IH]; simpl; [lra|]. rewrite IH, val_dmul. lra. Qed.

(** A lane for each functional. *)
Fixpoint seeds_of (k : nat) (l : list functional) : list seed_term :=
  match l with
  | [] => []
  | f :: l => List.map (fun t => (k, t)) (filter (fun '(_, _, d) => negb (man d =? 0)%Z) (parts f)) ++ seeds_of (S k) l
  end.

Lemma seeds_app l a b x : seeds_value l (a ++ b) x = seeds_value l a x + seeds_value l b x.
Proof. induction a as [|[k [[t i] d]] a IH]; cbn [app seeds_value]; [lra|]. rewrite IH; lra. Qed.

Lemma seeds_one l k s x : seeds_value l (List.map (fun t => (k, t)) (filter (fun '(_, _, d) => negb (man d =? 0)%Z) s)) x =
  if Nat.eqb k l then parts_value s x else 0.
Proof.
  induction s as [|[[t i] d] s IH]; cbn [filter List.map seeds_value parts_value].
  - destruct (Nat.eqb k l); reflexivity.
  - destruct (Z.eqb_spec (man d) 0) as [Z0|_]; cbn [negb List.map seeds_value]; rewrite IH; destruct (Nat.eqb k l); try lra.
    unfold val. rewrite Z0. lra.
Qed.

Definition no_functional : functional := Functional [] dy0.

Lemma seeds_of_ok k l fl x : (k <= l)%nat -> seeds_value l (seeds_of k fl) x = parts_value (parts (nth (l - k) fl no_functional)) x.
Proof.
  revert k. induction fl as [|f fl IH]; intros k H; cbn [seeds_of seeds_value].
  - destruct (l - k)%nat; reflexivity.
  - rewrite seeds_app, seeds_one. destruct (Nat.eqb_spec k l) as [->|N].
    + rewrite Nat.sub_diag. cbn [nth]. assert (Z0 : forall k', (l < k')%nat -> seeds_value l (seeds_of k' fl) x = 0).
      { clear. induction fl as [|f fl IH]; intros k' H; cbn [seeds_of]; [reflexivity|]. rewrite seeds_app, seeds_one, IH by lia.
        destruct (Nat.eqb_spec k' l); [lia|lra]. }
      rewrite Z0 by lia. lra.
    + rewrite IH by lia. replace (l - k)%nat with (S (l - S k))%nat by lia. cbn [nth]. lra.
Qed.

(** One sweep. *)
Definition batch (c : circuit) (fs : vec facets) (fl : list functional) : option (list linear) :=
  let lanes := length fl in
  match seed lanes c (vlength (defs c)) (seeds_of 0 fl) [] with
  | Some p => eliminate lanes c fs (vlength (defs c)) p (List.map const fl)
  | None => None
  end.

Definition below_functional (x : values) (f : functional) (r : option linear) : Prop :=
  match r with Some r => linear_value r (x O) <= functional_value f x | None => True end.

Lemma batch_ok c fs fl r x : solves c x -> fits c -> relaxed c fs x -> batch c fs fl = Some r ->
  Forall2 (below_functional x) fl (List.map Some r).
Proof.
  intros HS HF HR E. unfold batch in E. destruct (seed _ _ _ _ _) as [p|] eqn:S; [|discriminate].
  apply (seed_ok (length fl) c x) in S; [|constructor]. destruct S as [G V].
  apply (eliminate_ok (length fl) c fs x HS HF HR) in E; [|exact G|apply map_length]. destruct E as [L B].
  assert (K : forall l, (l < length fl)%nat -> linear_value (nth l r no_linear) (x O) <= functional_value (nth l fl no_functional) x).
  { intros l H. specialize (B l H). rewrite V, seeds_of_ok, Nat.sub_0_r in B by lia. cbn [pending_value] in B.
    change dy0 with (const no_functional) in B. rewrite map_nth in B. unfold functional_value. lra. }
  clear -K L. revert r K L. induction fl as [|f fl IH]; intros [|a r] K L; try discriminate; constructor.
  - apply (K O). cbn; lia.
  - apply IH; [|simpl in L; lia]. intros l H. apply (K (S l)). cbn; lia.
Qed.

(** Sweeps of at most so many functionals at a time. Where one fails, each of them is swept alone. *)
Fixpoint sweeps (turns most : nat) (c : circuit) (fs : vec facets) (fl : list functional) : list (option linear) :=
  match fl, turns with
  | [], _ => []
  | _, O => List.map (fun _ => None) fl
  | _, S turns =>
    let now := firstn most fl in
    match batch c fs now with
    | Some r => List.map Some r
    | None => List.map (fun f => match batch c fs [f] with Some [r] => Some r | _ => None end) now
    end ++ sweeps turns most c fs (skipn most fl)
  end.

Theorem sweeps_ok turns most c fs fl x : solves c x -> fits c -> relaxed c fs x ->
  Forall2 (below_functional x) fl (sweeps turns most c fs fl).
Proof.
  intros HS HF HR. assert (N : forall fl : list functional, Forall2 (below_functional x) fl (List.map (fun _ => None) fl)).
  { induction fl0; cbn; constructor; auto. exact I. }
  revert fl. induction turns as [|turns IH]; intros fl.
  - destruct fl; [constructor|apply N].
  - destruct fl as [|f fl]; [constructor|]. cbn [sweeps]. rewrite <- (firstn_skipn most (f :: fl)) at 1. apply Forall2_app; [|apply IH].
    destruct (batch c fs (firstn most (f :: fl))) as [r|] eqn:B; [eapply batch_ok; eauto|].
    clear B. induction (firstn most (f :: fl)) as [|g gs IHg]; cbn [List.map]; constructor; auto.
    destruct (batch c fs [g]) as [[|a [|b r]]|] eqn:B; try exact I.
    apply (batch_ok _ _ _ _ _ HS HF HR) in B. inversion B; subst; auto.
Qed.
