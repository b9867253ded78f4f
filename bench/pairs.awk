# Lines "ours limit": the medians of ours and of the ratios, and from where to where they go. -v what=..., -v aim=... for the sentence.
function median(list, n,  i, j, x) { for (i = 2; i <= n; i++) { x = list[i]; for (j = i - 1; j > 0 && list[j] > x; j--) list[j + 1] = list[j]; list[j + 1] = x } return list[int((n + 1) / 2)] }
{ ours[NR] = $1; ratio[NR] = $1 / $2 }
END {
  printf "%s: %d a second", what, median(ours, NR)
  printf " (of %d pairs: %d to %d; limit %d)", NR, ours[1], ours[NR], aim
  printf "; %.2f of a bare echo", median(ratio, NR)
  printf " (%.2f to %.2f)\n", ratio[1], ratio[NR]
}
