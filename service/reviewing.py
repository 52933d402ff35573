"""What people are shown to say what it is: the parts of one application, which share what photographs look like."""

from dataclasses import dataclass

from models.imaging import ImageLimits
from service.inference.reload import Champion
from service.looks import Looks, Run
from service.records.repository import Records
from service.review import Review
from service.review_claims import Claims
from service.similar import Similar


@dataclass(frozen=True, slots=True)
class Reviewing:
    """Opens nothing before the first question."""

    review: Review
    claims: Claims
    similar: Similar

    @classmethod
    def of(cls, records: Records, champion: Champion, limits: ImageLimits, run: Run) -> "Reviewing":
        """`run` runs what decodes photographs."""
        looks = Looks(champion, records.photographs, limits, run)
        review = Review(records, looks)
        return cls(review, Claims(records, review), Similar(records, looks))

    async def close(self) -> None:
        """Stop what goes on behind the answers."""
        await self.claims.close()
