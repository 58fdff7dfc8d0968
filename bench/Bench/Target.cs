namespace OrleansCache.Bench;

/// <summary>A promise about a figure: at most so much.</summary>
internal sealed record Target(string Name, double Value, double Limit, string Unit)
{
    public bool IsMet => Value <= Limit;
}
